"""What the commands about the course itself do: every function takes the parsed options and returns the exit code."""

import argparse
import sys


def prose(options: argparse.Namespace) -> int:
    """Build the Portuguese pages (or, with --check, only look; with --update, prepare their text); 1 when something is wrong with them."""
    from utils import runs
    from utils.prose.course import build_all, problems, update_all

    if not options.check:
        for path in (update_all if options.update else build_all)(runs.ROOT):
            print(f"written: {path}")
    found = problems(runs.ROOT)
    for line in found:
        print(line, file=sys.stderr)
    print(f"{len(found)} problems in the Portuguese pages")
    return int(bool(found) and not options.update)


def launch(options: argparse.Namespace) -> int:
    """Write each notebook's launch line, in both languages; with OWNER/NAME, the links that open it on a public host too."""
    from utils import runs
    from utils.prose.course import build_all
    from utils.prose.launch import name_repository, write_lines

    if options.repository:
        name_repository(runs.ROOT, options.repository)
    for path in [*write_lines(runs.ROOT), *build_all(runs.ROOT)]:
        print(f"written: {path}")
    return 0


def site(options: argparse.Namespace) -> int:
    """Build the documentation site; 1 when Sphinx warned of something, such as a link that leads nowhere."""
    from utils import runs
    from utils.site.build import build_site

    out = options.out or runs.outputs() / "site"
    told, warnings = build_site(out, journey=options.journey)
    print(*told, *(f"warning: {one}" for one in warnings), f"site: {out / 'index.html'}", sep="\n")
    return int(bool(warnings))


def workshop(options: argparse.Namespace) -> int:
    if options.what == "check":
        from utils.workshop.ready import check

        return check(options.disk, options.memory)
    if options.what == "pack":
        from utils.workshop.pack import pack

        pack(options.out, options.platform, options.python)
        return 0
    from utils.workshop.handout import write_handout

    print(f"written: {write_handout(options.out, options.language)}")
    return 0


def sweep(options: argparse.Namespace) -> int:
    """0 when every run is green, 1 when one failed, 2 when it could not start (preflight)."""
    from utils.journey.grid import grid, ready_for
    from utils.journey.grid import sweep as run
    from utils.journey.run import chosen, stop_as_ctrl_c

    made, notebooks = grid(options.scale, options.languages, options.recipes, options.seeds), chosen(options.notebooks)
    if not ready_for(made, notebooks, options.anyway):
        return 2
    stop_as_ctrl_c()
    rows, page = run(made, notebooks, options.cell_timeout)
    failed = sum(row["status"] != "ok" for row in rows)
    print(f"{len(rows) - failed} of {len(rows)} runs ok; table: {page} and sweep.csv beside it")
    return int(bool(failed))


def same(options: argparse.Namespace) -> int:
    """0 when two journeys show the same numbers, 1 when they differ."""
    from utils.journey.same import same as compare

    return int(not compare(options.one, options.other))
