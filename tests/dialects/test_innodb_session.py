"""Sessions of MySQL and MariaDB: whatever the server's settings are, given back as they were, and never shared."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.dialects.accounts import DIALECTS
from tests.engines import Database
from tests.rowhash import execute
from tests.servers import Server
from trueup.engines._innodb import session
from trueup.engines._innodb.dialect import InnoDB
from trueup.errors import StoreError

pytestmark = pytest.mark.parametrize("engine", ["mysql", "mariadb"], indirect=True)


@pytest.fixture
def dialect(database: Database) -> InnoDB:
    return DIALECTS[database.engine]()


class Proxy:
    """A proxy that greets with a session number of its own, as one does that shares the server's sessions."""

    def __init__(self, port: int) -> None:
        self.server = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.sockets = [self.listener]
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:  # grows until the first one has ended
            thread.join()
        for one in self.sockets:
            one.close()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            self.sockets += [client, server]
            greeting = server.recv(4096)
            number = greeting.index(b"\0", 5) + 1
            client.sendall(greeting[:number] + struct.pack("<I", 7_000_000) + greeting[number + 4 :])
            for one, other in ((client, server), (server, client)):
                self.threads.append(threading.Thread(target=self.pump, args=(one, other)))
                self.threads[-1].start()

    @staticmethod
    def pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture
def proxied(database: Database) -> Iterator[str]:
    url = make_url(database.url)
    proxy = Proxy(int(url.port or 0))
    yield url.set(port=proxy.port).render_as_string(hide_password=False)
    proxy.close()


def test_a_proxy_that_shares_sessions_is_not_written_through(dialect: InnoDB, proxied: str) -> None:
    with pytest.raises(StoreError) as caught:
        dialect.engine(make_url(proxied), write=True).connect()
    assert str(caught.value) == (
        "this is the address of a proxy that gives one session of the server to several clients in turn "
        "(ProxySQL, RDS Proxy, MaxScale ...); to write, trueup needs the address of the server itself"
    )
    with dialect.engine(make_url(proxied), write=False).connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.mark.parametrize("write", [True, False])
def test_a_session_is_given_back_as_it_was(
    database: Database, dialect: InnoDB, monkeypatch: pytest.MonkeyPatch, write: bool
) -> None:
    engine = dialect.engine(make_url(database.url), write=write)
    asked = "SELECT * FROM performance_schema.session_variables"
    if dialect.name == "mariadb":
        asked = "SELECT VARIABLE_NAME, SESSION_VALUE FROM information_schema.SYSTEM_VARIABLES"
    asked += (
        " WHERE VARIABLE_NAME NOT IN ('timestamp', 'pseudo_thread_id', 'last_insert_id', 'insert_id', 'rand_seed1',"
    )
    asked += (
        " 'statement_id', 'rand_seed2', 'error_count', 'warning_count', 'in_transaction', 'gtid_seq_no') ORDER BY 1"
    )
    before: list[object] = []
    after: list[object] = []

    # what a pool would do before and after
    @sa.event.listens_for(engine, "do_connect", insert=True)
    def _connect(dialect: object, _record: object, arguments: object, settings: dict[str, object]) -> None:
        settings["init_command"] = "SET SESSION sql_mode = 'ANSI_QUOTES', SESSION max_error_count = 77"

    given_back = session._give_back

    def seen(raw: object, error: type[Exception], found: dict[str, object]) -> None:
        given_back(raw, error, found)
        with raw.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(asked)
            after.extend(cursor.fetchall())

    monkeypatch.setattr(session, "_give_back", seen)
    begin = session._begin

    def begun(raw: object, *, write: bool) -> object:
        with raw.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(asked)
            before.extend(cursor.fetchall())
        return begin(raw, write=write)

    monkeypatch.setattr(session, "_begin", begun)
    with engine.connect() as connection:
        dialect.enforce_references(connection, False)
        with dialect.deadline(connection, 5):
            connection.exec_driver_sql("SELECT 1")
    # of one session: the watchdog's second one does nothing within five seconds
    assert len(before) > 100
    assert after == before


def test_sessions_are_alike_on_a_server_with_unusual_defaults(engine: str, own_server: Callable[..., Server]) -> None:
    options = [
        "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT",
        "--autocommit=OFF",
        "--completion-type=RELEASE",
        "--transaction-isolation=REPEATABLE-READ",
        "--default-time-zone=-03:30",
        "--max-allowed-packet=64K",
        "--init-connect=SET SESSION sql_quote_show_create = 0, foreign_key_checks = 0, sql_select_limit = 1",
    ]
    if engine == "mariadb":
        options.append("--loose-innodb-snapshot-isolation=ON")
    server = own_server(engine, options=options)
    server.create_database("app")
    database = Database(engine, server.url("app"))
    longest = "max_execution_time" if engine == "mysql" else "max_statement_time"
    limits = ["sql_select_limit = 1", "max_sort_length = 8", f"{longest} = 60"]
    execute(database, [f"SET GLOBAL {limit}" for limit in limits])
    execute(
        database,
        [
            "CREATE USER u@'%' IDENTIFIED BY 'x'",
            "GRANT ALL ON *.* TO u@'%'",
            "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)",
        ]
        if engine == "mysql"
        else [
            "CREATE USER u@'%' IDENTIFIED BY 'x'",
            "GRANT ALL ON app.* TO u@'%'",
            "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)",
        ],
    )
    dialect = DIALECTS[engine]()
    with dialect.engine(make_url(database.url).set(username="u", password="x"), write=True).connect() as connection:
        assert connection.exec_driver_sql(f"SELECT @@{longest}").scalar_one() == 0
        table = dialect.table(connection, "t")
        assert table.obstacles == ()
        rows = [{"id": number, "v": "x" * 2000} for number in range(100)]
        connection.execute(sa.insert(table.sql), rows)  # in statements that fit
        connection.commit()
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM t").scalar_one() == 100
        with dialect.engine(make_url(database.url), write=True).connect() as other:
            other.exec_driver_sql("INSERT INTO t VALUES (1000, 'y')")
            other.commit()
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM t").scalar_one() == 101
        assert len(dialect.schema_stamp(connection, [table])) == 64
        with pytest.raises(DBAPIError) as caught:
            dialect.stage(connection, table, [(n, "b" * 64, "a" * 64, [str(n)]) for n in range(1000)])
        assert dialect.describe(caught.value) == "a statement is larger than max_allowed_packet (error 1153)"
        assert not dialect.retryable(caught.value)
        assert not dialect.disconnected(caught.value)
        stage = dialect.stage(connection, table, [(n, "b" * 64, "a" * 64, [str(n)]) for n in range(90)])
        found = sa.select(sa.func.count()).select_from(stage.relation)
        assert connection.execute(found, dict(stage.parameters)).scalar_one() == 90
        connection.execute(sa.update(table.sql).where(table.sql.c.id == 1).values(v=sa.func.repeat("é", 30000)))
        digest = dialect.digest([(table.columns["v"], table.sql.c.v)])
        told = connection.execute(sa.select(digest).where(table.sql.c.id.in_([1, 2]))).scalars().all()
        assert None not in told
        assert len(set(told)) == 2
        connection.execute(sa.text("UPDATE t SET v = CONCAT('x', id % 40)"))
        place = sa.func.row_number().over(partition_by=digest, order_by=table.sql.c.id).label("place")
        numbered = sa.select(place).subquery()
        first = sa.select(sa.func.count()).where(numbered.c.place == 1)
        assert connection.execute(first).scalar_one() == 40
