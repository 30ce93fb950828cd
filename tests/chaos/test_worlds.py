"""The generator and the judge of worlds, without a server."""

from collections import Counter

import pytest

from tests.chaos.worlds.dump import Dump
from tests.chaos.worlds.generator import generate
from tests.chaos.worlds.judge import Judge
from tests.chaos.worlds.model import Act, World, read
from tests.chaos.worlds.timeline import Span, Timeline

INNODB = ("mysql", "mariadb")
SERVERS = ("postgresql", *INNODB)
KINDS = {
    "function in a rule": ("postgresql",),
    "referred generated column": ("sqlite", *SERVERS),
    "generated reference": ("sqlite", *SERVERS),
    "typed column": ("postgresql",),
    "summer time": SERVERS,
    "strange names": ("sqlite", *SERVERS),
    "named as ours": ("sqlite", *SERVERS),
    "limits of sessions": SERVERS,
    "row of two checks": SERVERS,
}


@pytest.mark.parametrize("engine", ["sqlite", *SERVERS])
def test_every_kind_is_there_and_none_is_everywhere(engine: str) -> None:
    seen = Counter(feature for seed in range(500) for feature in generate(engine, seed).features)
    for kind, engines in KINDS.items():
        assert (0 < seen[kind] < 65) if engine in engines else not seen[kind], kind


@pytest.mark.parametrize("engine", ["sqlite", *SERVERS])
def test_a_world_that_was_written_down_is_the_same(engine: str) -> None:
    for seed in range(60):
        world = generate(engine, seed)
        assert read(world.text()).text() == world.text()


def test_the_judge_reads_what_was_written_in_the_words_of_now() -> None:
    place, other = ("public", "t"), ("public", "other")
    judge = Judge(World("postgresql", 0, (), (), ()), Timeline(reader=None))  # type: ignore[arg-type]  # never read
    judge.written = {
        ((place, ("1",)), ""): ({"id": "1", "e": "calm"}, None),
        ((place, ("2",)), "e"): ("glad", "calm"),
        ((other, ("1",)), "e"): ("calm", None),
    }
    labels = ((place, "e", "calm", "glad"), (place, "e", "glad", "calm"))
    act = Act("exchange", "applied", "names exchanged", (), labels=labels)
    judge.timeline.spans.append(Span("actor", "", {}, act))
    judge.look(())
    assert judge.written == {
        ((place, ("1",)), ""): ({"id": "1", "e": "glad"}, None),
        ((place, ("2",)), "e"): ("calm", "glad"),
        ((other, ("1",)), "e"): ("calm", None),
    }


def test_what_an_act_left_that_failed_in_its_middle_is_its_own() -> None:
    """MySQL and MariaDB commit every statement that makes or alters a table."""
    ghost = ("chaos", "wt_ghost")
    dumps: list[Dump] = [{}, {}, {ghost: [{"id": "1"}]}, {ghost: [{"id": "1"}]}]

    class Prepared:
        def dump(self) -> Dump:
            return dumps.pop(0)

    timeline = Timeline(reader=Prepared())  # type: ignore[arg-type]
    judge = Judge(World("mysql", 0, (), (), ()), timeline)
    timeline.begin()
    timeline.verb = "apply"
    act = Act("swap", "apply/written/1", "swap the table", (), ddl=True, renames=((("chaos", "t"), ("chaos", "old")),))
    with pytest.raises(TimeoutError), timeline.commit_of(act):
        raise TimeoutError
    timeline.mark("trueup")
    judge.look(())
    assert judge.faults == []
    assert timeline.names == {}
