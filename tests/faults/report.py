"""The matrix as a table, on the screen and in a page of the documentation."""

from pathlib import Path
from typing import Any

_BEGIN, _END = "<!-- matrix -->", "<!-- end of matrix -->"


def print_table(outcome: dict[str, Any]) -> None:
    print(f"{'fault':50} {'client':13} {'times':>6} {'records':>9} {'lost':>5} {'duplicated':>10}")
    for row in outcome["rows"]:
        print(
            f"{row['fault']:50} {row['client']:13} {row['times']:>6} {row['records']:>9} {row['lost']:>5} "
            f"{row['duplicated']:>10}  {row['problem'][:1000]}"
        )
    print(f"{outcome['kills']} kills, {outcome['zombies']} zombies in {outcome['minutes']} minutes", flush=True)


def write_page(page: Path, outcome: dict[str, Any]) -> None:
    """Put the table between the marks of the page. A row with a problem says so; a lake that could not be compared
    is not shown as clean."""
    lines = ["| fault | client | times | records | lost | duplicated |", "|---|---|--:|--:|--:|--:|"]
    lines += [
        f"| {r['fault']}{' (**not clean**)' if r['problem'] else ''} | {r['client']} | {r['times']} | "
        + (f"{r['records']:,} | {r['lost']} | {r['duplicated']} |" if r["records"] else "not counted | ? | ? |")
        for r in outcome["rows"]
    ]
    summary = f"{outcome['kills']} kills and {outcome['zombies']} zombies in {outcome['minutes']} minutes."
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{summary}\n\n" + "\n".join(lines) + f"\n{_END}{after}")
