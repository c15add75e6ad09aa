"""What stands on what: circles, long chains, answers that cost too much, what a broken part takes along.

Everything here takes time in proportion to the graph, and no recursion: a document may come from anywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from .parts import Part

__all__ = ["MAX_DEPTH", "MAX_OWN", "MAX_TESTS", "faults", "taken_along"]

MAX_DEPTH = 32
"""How deep conditions, segments and prerequisites may lie within one another."""

MAX_OWN = 10_000
"""How many rules and conditions a flag or a segment may have: they become one function."""

MAX_TESTS = 100_000
"""How many it may come to with those of all that it refers to: an answer may ask all of them."""


Graph = Mapping[Part, Mapping[Part, int]]
"""How often each part refers to each other one."""

_NOTHING: Mapping[Part, int] = {}


def taken_along(broken: Iterable[Part], graph: Graph) -> dict[Part, Part]:
    """The broken parts and all that stand on them, each with the broken part that it owes that to.

    A prerequisite does not count, since it can just fail.
    """
    standing_on: dict[Part, list[Part]] = {}
    for part, used in graph.items():
        for other in used:
            if other.section != "flags":
                standing_on.setdefault(other, []).append(part)
    causes = {part: part for part in sorted(broken)}  # whatever order they were found in
    queue = deque(causes)
    while queue:
        part = queue.popleft()
        for other in sorted(standing_on.get(part, ())):
            if other not in causes:
                causes[other] = causes[part]
                queue.append(other)
    return causes


def faults(graph: Graph, own: Mapping[Part, int]) -> Iterator[tuple[Part, str]]:
    """The flags and segments that can't be answered in good time, and why.

    ``own`` says how many rules and conditions each has of its own; one that it does not know is not there.
    What is referred to zero times may go in a circle: whoever asks it takes care of that.
    """
    depths: dict[Part, int] = {}
    tests: dict[Part, int] = {}
    links = {
        part: sorted(other for other, count in graph.get(part, _NOTHING).items() if count and other in own)
        for part in own
    }
    for component in _components(links):
        for part in sorted(component):
            used = [other for other in links[part] if other in depths]
            depths[part] = 1 + max((depths[other] for other in used), default=0)
            asked = sum(tests[other] * graph[part][other] for other in used)
            tests[part] = min(own[part] + asked, MAX_TESTS + 1)
            message = _circle(part, component, links) or _excess(depths[part], own[part], tests[part])
            if message is not None:
                yield part, message


def _excess(depth: int, own: int, tests: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"stands on a chain of more than {MAX_DEPTH} segments and prerequisites"
    if own > MAX_OWN:
        return f"has more than {MAX_OWN:,} rules and conditions"
    if tests > MAX_TESTS:
        return f"comes to more than {MAX_TESTS:,} conditions, with those of what it refers to"
    return None


def _components(links: Mapping[Part, list[Part]]) -> Iterator[set[Part]]:
    """The sets of parts that lead to one another, those that others stand on first.

    R. E. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972).
    """
    index: dict[Part, int] = {}
    low: dict[Part, int] = {}
    path: dict[Part, None] = {}
    for root in links:
        work = [] if root in index else [(root, iter(links[root]))]
        while work:
            part, others = work[-1]
            if part not in index:
                index[part] = low[part] = len(index)
                path[part] = None
            for other in others:
                if other not in index:
                    work.append((other, iter(links[other])))
                    break
                if other in path:
                    low[part] = min(low[part], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[part])
                if low[part] == index[part]:
                    yield _popped(path, part)


def _popped(path: dict[Part, None], last: Part) -> set[Part]:
    component = {last}
    while (part := path.popitem()[0]) != last:
        component.add(part)
    return component


def _circle(start: Part, component: set[Part], links: Mapping[Part, list[Part]]) -> str | None:
    """The shortest way from a part back to itself, if there is one."""
    if len(component) == 1 and start not in links[start]:
        return None
    if len(component) > MAX_DEPTH:
        return f"goes in a circle of {len(component)} segments and flags"
    came_from: dict[Part, Part] = {}
    queue = deque([start])
    while start not in came_from:
        part = queue.popleft()
        for other in links[part]:
            if other in component and other not in came_from:
                came_from[other] = part
                queue.append(other)
    return f"goes in a circle: {_told(start, came_from)}"


def _told(start: Part, came_from: Mapping[Part, Part]) -> str:
    way = [start, came_from[start]]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    alike = len({part.section for part in way}) == 1
    return " > ".join(part.name if alike else str(part) for part in reversed(way))
