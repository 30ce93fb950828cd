"""What only pretends to work, and what does nothing for a reason."""

import pytest

from tests.lint.linting import lint

FOUND = [
    "import random\n\ndef score(row):\n    # mock value for now\n    return round(random.uniform(0.1, 0.9), 2)\n",
    "def weather(city):\n    '''The weather (mock implementation).'''\n    return {'city': city, 'degrees': 20}\n",
    "def send(phone, text):\n    # TODO: ask the provider\n    logger.info('sending to %s', phone)\n    return True\n",
    "async def send(phone):\n    # Simulate the provider\n    await asyncio.sleep(1)\n    print(phone)\n",
    "def tag(self, name):\n    # In production, this would write a row\n    return {'ok': True, 'tag': name}\n",
    (
        "def tag(self, name):\n    if not name:\n        return {'ok': False}\n"
        "    # this would update the row\n    return {'ok': True, 'tag': name}\n"
    ),
    "def score(row):\n    '''Placeholder until the model is trained.'''\n    return 0.5\n",
    (
        "from abc import ABC\n\nclass Box(ABC):\n    def put(self): ...\n\nclass Crate(Box):\n"
        "    def put(self):\n        raise NotImplementedError\n\nCrate().put()\n"
    ),
    "class Crate:\n    def put(self):\n        # TODO\n        raise NotImplementedError('not yet')\n",
]
LEFT_ALONE = [
    "import random\n\ndef roll():\n    return random.randint(1, 6)\n",
    "import random\n\ndef pick(rows):\n    # TODO: weigh them\n    return random.choice(rows)\n",
    "class Hook:\n    def before(self):\n        '''TODO list hook: does nothing by default.'''\n",
    "def clean(self):\n    # skip it for now, the vendor cleans up\n    return\n",
    "class Token:\n    def client(self):\n        raise NotImplementedError('never called for tokens of this kind')\n",
    "class Token:\n    def nonce(self):\n        # these grants have no nonce\n        raise NotImplementedError\n",
    "class Proxy:\n    def __getattr__(self, a): ...\n    def save(self):\n        raise NotImplementedError\n",
    "from outside import Field\n\nclass D(Field):\n    def write(self):\n        raise NotImplementedError\n\nD()\n",
    "def button(url):\n    # 3.0 TODO: remove, unused\n    return {'url': url}\n",
    (
        "class Extension:\n    def left(self):\n        '''Should return what is on the left.'''\n"
        "        raise NotImplementedError\n    def right(self):\n        raise NotImplementedError\n"
    ),
    "def pay():\n    raise NotImplementedError('removed in 2.0, use charge()')\n",
    "def send(phone):\n    logger.info('sent to %s', phone)\n    return True\n",
    "def act(row):\n    # TODO: say which row\n    store(row)\n    return True\n",
    "def rows(path):\n    found = load(path)\n    # hard-coded order\n    return {'rows': found, 'order': 1}\n",
]


@pytest.mark.parametrize("text", FOUND)
def test_what_only_pretends_is_found(text: str) -> None:
    (finding,) = lint(text, "placeholder")
    assert "()" in finding.message


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_does_nothing_for_a_reason_is_left_alone(text: str) -> None:
    assert lint(text, "placeholder") == []
