"""How a user-assigned managed identity is named.

Source: aad-pod-identity pkg/apis/aadpodidentity/v1 and website/content/en/docs (1.6.0: resourceID, clientID).
"""

import re

CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A GUID."""
RESOURCE_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
    re.IGNORECASE,
)
RESOURCE_ID_FORM = "/subscriptions/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/…"
"""What a resource id looks like, for people."""
