"""The lines of SHOW GRANTS, read without a server."""

from trueup.engines._innodb import rights as grants


def test_lines_of_another_form_give_nothing() -> None:
    found = grants.parse(
        [
            "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*FF ON *.* TO '",
            "GRANT `role ON *.* TO `@`%` TO `u`@`%`",
            "GRANT PROXY ON ``@`` TO `u`@`%` WITH GRANT OPTION",
            "GRANT EXECUTE ON PROCEDURE `app`.`p` TO `u`@`%`",
            "GRANT SELECT (`a, TRIGGER ON *.* TO `), INSERT ON `a``p.p`.`t.1` TO `u`@`%`",
            "GRANT SYSTEM_USER,ROLE_ADMIN ON *.* TO `u`@`%`",
        ]
    )
    assert found.everywhere == {"USAGE", "SYSTEM_USER", "ROLE_ADMIN"}
    assert dict(found.databases) == {}
    assert dict(found.tables) == {("a`p.p", "t.1"): {"INSERT"}}
    assert found.on("INSERT", "a`p.p", "t.1")
    assert not found.on("SELECT", "a`p.p", "t.1")


def test_patterns_of_databases_are_those_of_like() -> None:
    found = grants.parse(["GRANT ALL PRIVILEGES ON `a\\_b_%`.* TO `u`@`%`", "GRANT SELECT ON `a\\_bc%`.* TO `u`@`%`"])
    assert found.on("TRIGGER", "a_bx", "t")
    assert not found.on("TRIGGER", "axbx", "t")
    assert not found.on("TRIGGER", "a_bc", "t")
    assert found.on("SELECT", "a_bc", "t")
