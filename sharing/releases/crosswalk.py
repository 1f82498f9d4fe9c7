"""From a consumer's old tokens to its new ones, after a rotation: only of what it had before and still has."""

from collections.abc import Sequence

from sharing.pseudonyms import Scope, token_sql
from sharing.releases.projection import Projection
from sharing.releases.release import Release


def crosswalk_query(before: Release, projections: Sequence[Projection], old: Scope) -> str | None:
    """SQL over the published marts with the new key's pads: `kind`, `old_token`, `new_token`; None without tokens."""
    had = [query for p in projections if p.mart.name in before.marts for query in _had(before, p)]
    has = [f"select '{kind}' as kind, value from ({query})" for p in projections for kind, query in p.identifiers()]
    if not had:
        return None
    return f"""
        with had as ({" union ".join(had)}),
        has as ({" union ".join(has)}),
        paired as (
            select kind, {_old_token(old)} as old_token, {token_sql("kind", "value")} as new_token
            from has
            where value is not null
        )
        select kind, old_token, new_token from paired semi join had using (kind, old_token) order by all"""


def _had(before: Release, projection: Projection) -> list[str]:
    """Queries of the tokens that the release before had of a mart."""
    name = projection.mart.name
    file = str(before.file(name)).replace("'", "''")
    present = before.manifest["marts"][name]["columns"]
    return [
        f"select '{kind}' as kind, {projection.each(column)} as old_token from read_parquet('{file}')"
        for column, kind in projection.tokens.items()
        if column in present
    ]


def _old_token(old: Scope) -> str:
    inner, outer = (f"unhex('{pad.hex()}')" for pad in old.key.pads())
    return token_sql("kind", "value", inner, outer)
