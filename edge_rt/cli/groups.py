"""Groups of commands that tell which command was meant by a name that is none."""

from __future__ import annotations

from collections.abc import Sequence

import click

from edge_rt.core.errors import closest


class SuggestingGroup(click.Group):
    """Names the nearest of its commands, and those of the groups in it that have the name."""

    inner: Sequence[str] = ()  # commands of groups in it, such as "models pull"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; raises UsageError where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            meant = self._meant(ctx, args[0])
            if meant is None or "Did you mean" in error.message:
                raise
            hint = f"Did you mean `{ctx.command_path} {meant}`?"
            raise click.UsageError(f"{error.message} {hint}", ctx) from None

    def _meant(self, ctx: click.Context, name: str) -> str | None:
        of_groups = (each for each in self.inner if each.split()[-1] == name)
        return next(of_groups, None) or closest(name, self.list_commands(ctx))
