"""Every public host of the simulated Azure behind one handler, chosen by the request's host name."""

import httpx

from acrcheck.clock import Clock
from acrcheck.lab import arm, entra, tokens
from acrcheck.lab.answers import Handler
from acrcheck.lab.azure import Source
from acrcheck.lab.blobs import BlobHost
from acrcheck.lab.registry import RegistryFront


class PublicHosts:
    """ARM, Entra, and each registry of the present state with the host its layers are on.

    Args:
        source: where the present state of Azure comes from.
        clock: the time that they all live in.
        signer: signs the registries' access tokens.
        backend: a real registry that holds the content of all of them.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        signer: tokens.Signer | None = None,
        backend: Handler | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._signer = signer
        self._backend = backend
        self._fixed: dict[str, Handler] = {
            arm.HOST: arm.Arm(source, clock),
            entra.HOST: entra.Entra(source, clock),
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; httpx.ConnectError when no such host exists."""
        name = (request.headers.get("host") or request.url.host).partition(":")[0].lower()
        handler = self._fixed.get(name) or self._registry_host(name)
        if handler is None:
            raise httpx.ConnectError("[Errno -2] Name or service not known", request=request)
        return handler(request)

    def names(self) -> list[str]:
        """All host names that exist at present."""
        registries = self._source().registries
        names = [*self._fixed, *(r.login_server for r in registries), *(r.data_host for r in registries)]
        return list(dict.fromkeys(names))

    def _registry_host(self, name: str) -> Handler | None:
        for registry in self._source().registries:
            if name == registry.login_server.lower():
                login = registry.login_server
                return RegistryFront(self._source, login, self._clock, self._signer, self._backend)
            if name == registry.data_host.lower():
                return BlobHost(self._source, self._clock, self._signer, self._backend)
        return None
