import random
from dataclasses import dataclass, field

from guild.models import DEFAULTS, Guild, Player
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm.attributes import flag_modified


@dataclass
class Turn:
    bag: dict = field(default_factory=dict)
    scores: dict = field(default_factory=dict)


class Cog:
    def __init__(self, bot, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.bot = bot
        self.sessions = sessions
        self.turns: dict[int, Turn] = {}

    async def player(self, session: AsyncSession, user_id: int) -> Player:
        if (found := await session.get(Player, user_id)) is None:
            found = Player(id=user_id, bag={}, scores={})
            found.bag["gold"] = 10  # OK
            session.add(found)
        return found

    async def play(self, ctx) -> None:
        turn = self.turns.setdefault(ctx.author.id, Turn())
        turn.bag["dice"] = random.randint(1, 6)  # OK
        turn.scores["round"] = turn.scores.get("round", 0) + 1  # OK
        async with self.sessions.begin() as session:
            if player := await session.get(Player, ctx.author.id):
                player.scores["last"] = turn.bag["dice"]  # BUG
                player.gold += turn.bag["dice"]
                player.gems += 1

    async def trade(self, ctx, other_id: int, item: str) -> None:
        async with self.sessions() as session:
            mine, theirs = await session.get(Player, ctx.author.id), await session.get(Player, other_id)
            if item not in mine.bag:
                return
            theirs.bag[item] = mine.bag.pop(item)  # BUG
            await session.commit()

    async def trade_well(self, ctx, other_id: int, item: str) -> None:
        async with self.sessions() as session:
            mine, theirs = await session.get(Player, ctx.author.id), await session.get(Player, other_id)
            theirs.bag[item] = mine.bag.pop(item)  # OK
            for player in (mine, theirs):
                flag_modified(player, "bag")
            await session.commit()

    async def open_channel(self, ctx, channel_id: int) -> None:
        async with self.sessions() as session:
            guild = await session.get(Guild, ctx.guild.id)
            guild.channels.append(channel_id)  # BUG
            guild.muted.append(channel_id)  # OK
            guild["opened"] = channel_id  # OK
            await session.commit()

    async def close_channels(self, ctx) -> None:
        async with self.sessions() as session:
            guild = await session.get(Guild, ctx.guild.id)
            guild.channels = [one for one in guild.channels if one != ctx.channel.id]
            guild.muted.remove(ctx.channel.id)  # OK
            await session.commit()

    async def reset(self, ctx) -> None:
        async with self.sessions() as session:
            guild = await session.get(Guild, ctx.guild.id)
            for key in list(guild.options):
                if key not in DEFAULTS:
                    del guild.options[key]  # BUG
            for player in guild.players:
                player.scores.clear()  # BUG
            await session.commit()

    async def season(self, names: list[str]) -> None:
        async with self.sessions() as session:
            players = {player.id: player for player in await session.scalars(select(Player))}
            for number, name in enumerate(names):
                if number in players:
                    players[number].scores["season"] = name  # BUG
            best = max(players.values(), key=lambda player: player.gold)
            best.bag["cup"] = names[-1]  # BUG
            await session.commit()

    async def season_well(self, names: list[str]) -> None:
        async with self.sessions() as session:
            players = (await session.scalars(select(Player))).all()
            for player, name in zip(players, names, strict=False):
                scores = dict(player.scores)
                scores["season"] = name  # OK
                player.scores = scores
            await session.commit()
