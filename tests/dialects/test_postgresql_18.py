"""What every engine owes, asked of the newest PostgreSQL, too."""

import pytest

from tests.dialects.test_blank import *  # noqa: F403
from tests.dialects.test_contract import *  # noqa: F403
from tests.dialects.test_json_change import *  # noqa: F403
from tests.dialects.test_json_types import *  # noqa: F403

del test_what_follows_a_nul_makes_no_error_and_no_other_answer  # noqa: F821 - of SQLite alone

SLOW = pytest.param("postgresql18", marks=pytest.mark.slow)

pytestmark = pytest.mark.parametrize("engine", [SLOW], indirect=True)
