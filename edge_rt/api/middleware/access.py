"""What a client may do, beyond reading what the daemon says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException

ROOT = 0


@dataclass(frozen=True)
class Peer:
    """A process at the other end of a Unix socket: the numbers of its user and of its groups."""

    uid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True)
class People:
    """Users and groups by number."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()

    def has(self, peer: Peer) -> bool:
        """Whether `peer` is one of them."""
        return peer.uid in self.users or not self.groups.isdisjoint(peer.groups)


@dataclass(frozen=True)
class Access:
    """Who among the users of the Unix socket may use models, and who may administrate.

    Who may administrate may also use models. `generate` None: everybody may.
    """

    generate: People | None
    administer: People

    def rights(self, peer: Peer) -> Rights:
        """What `peer` may do."""
        user = f"user {peer.uid}"
        if self.administer.has(peer):
            return Rights(user, generate=True, administer=True)
        return Rights(user, generate=self.generate is None or self.generate.has(peer))


@dataclass(frozen=True)
class Rights:
    """What one client may do; `who` is how messages name it."""

    who: str = "this client"
    generate: bool = False
    administer: bool = False

    def check_generate(self) -> None:
        """Raise HTTPException 403 unless it may use models."""
        if not self.generate:
            message = f"{self.who} may not use models: access.generate of the configuration says"
            raise HTTPException(403, f"{message} who may.")

    def check_administer(self) -> None:
        """Raise HTTPException 403 unless it may change what counts for all."""
        if not self.administer:
            raise HTTPException(
                403,
                f"{self.who} may not administrate: do it as root or as the daemon's own user, or "
                "be named in access.administer (over TCP: the key in tcp.admin_key_sha256) of the "
                "configuration.",
            )


ALL = Rights(generate=True, administer=True)
