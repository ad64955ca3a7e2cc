"""azure-identity's ManagedIdentityCredential, with the wire under it.

Only for acrcheck's own pod: there the library's choice of backend is part of what is asked (it silently prefers
Workload Identity where that is injected). It hides what the endpoint said, so the wire's own answer is kept.
"""

from dataclasses import field
from typing import TYPE_CHECKING, Any, Self

from acrcheck.late import dataclass
from acrcheck.wire.door import Failure, Request, Response, Vantage, Wire

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpResponse


@dataclass(slots=True)
class Attempt:
    """What the library came to: a token's handle, or its message; and what it was answered meanwhile."""

    token: str = ""
    message: str = ""
    answers: list[Response | Failure] = field(default_factory=list)


def managed_identity_token(wire: Wire, vantage: Vantage, audience: str, client_id: str) -> Attempt:
    """Ask the library for a token, once, without its retries (with NMI's hold they would take 504 s)."""
    import logging

    from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
    from azure.identity import ManagedIdentityCredential

    # It says on standard error what the report says anyway.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    attempt = Attempt()
    try:
        credential = ManagedIdentityCredential(
            client_id=client_id or None, transport=_transport(wire, vantage, attempt.answers), retry_total=0
        )
        attempt.token = credential.get_token(f"{audience}/.default").token
    except (ClientAuthenticationError, ServiceRequestError, ValueError) as error:
        attempt.message = " ".join(str(error).split())
    return attempt


def _transport(wire: Wire, vantage: Vantage, answers: list[Response | Failure]) -> Any:
    """Make a transport that puts the library's requests to the wire."""
    from azure.core.exceptions import ServiceRequestError
    from azure.core.pipeline.transport import HttpTransport

    class WireTransport(HttpTransport[Any, Any]):
        def send(self, request: Any, **_: Any) -> "HttpResponse":
            headers = tuple((key, value) for key, value in request.headers.items() if key == "Metadata")
            answer = wire.request(vantage, Request(request.method, request.url, headers=headers))
            answers.append(answer)
            if isinstance(answer, Failure):
                raise ServiceRequestError(answer.detail or str(answer.trouble))
            return _response(request, answer)

        def open(self) -> None: ...

        def close(self) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

    return WireTransport()


def _response(request: Any, answer: Response) -> "HttpResponse":
    from azure.core.pipeline.transport import HttpResponse

    class WireResponse(HttpResponse):
        def body(self) -> bytes:
            return answer.body.encode()

        def stream_download(self, *_: Any, **__: Any) -> Any:
            return iter([self.body()])

    response = WireResponse(request, None)
    response.status_code = answer.status
    response.headers = dict(answer.headers)
    response.content_type = answer.header("content-type")
    return response
