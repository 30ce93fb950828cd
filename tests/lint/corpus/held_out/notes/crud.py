from typing import Any, Optional

from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import Session, select

from notes.models import Author, Note, NoteCreate


class NoteStore:
    def __init__(self, engine):
        self.engine = engine

    def create(self, data: NoteCreate, author: Author) -> Note:
        data.body["words"] = len(data.title.split())  # OK
        data.tag_names.append("new")  # OK
        note = Note.model_validate(data, update={"author_id": author.id})
        with Session(self.engine) as session:
            session.add(note)
            session.commit()
            session.refresh(note)
        return note

    def edit(self, note_id: int, key: str, value: Any) -> Optional[Note]:
        with Session(self.engine) as session:
            note = session.get(Note, note_id)
            if note is None:
                return None
            note.body[key] = value  # BUG
            note.revisions.append({key: value})  # BUG
            session.add(note)
            session.commit()
            session.refresh(note)
            return note

    def edit_well(self, note_id: int, key: str, value: Any) -> Optional[Note]:
        with Session(self.engine) as session:
            note = session.get(Note, note_id)
            if note is None:
                return None
            note.body[key] = value  # OK
            note.revisions = note.revisions + [{key: value}]  # OK
            flag_modified(note, "body")
            session.add(note)
            session.commit()
            return note

    def publish(self, author_id: str) -> int:
        with Session(self.engine) as session:
            notes = session.exec(select(Note).where(Note.author_id == author_id)).all()
            for note in notes:
                note.body.update({"published": True})  # BUG
            session.commit()
            return len(notes)

    def publish_well(self, author_id: str) -> int:
        with Session(self.engine) as session:
            notes = session.exec(select(Note).where(Note.author_id == author_id)).all()
            for note in notes:
                note.body = {**note.body, "published": True}  # OK
            session.commit()
            return len(notes)

    def load(self, note_id: int) -> Note:
        with Session(self.engine) as session:
            return session.exec(select(Note).where(Note.id == note_id)).one()

    def store(self, note: Note) -> None:
        with Session(self.engine) as session:
            session.merge(note)
            session.commit()


def set_avatar(session: Session, author: Author, url: str) -> None:
    profile = author.profile or {}
    images = profile.setdefault("images", {})  # BUG
    images["avatar"] = url  # BUG
    author.profile = profile
    session.add(author)
    session.commit()


def set_avatar_well(session: Session, author: Author, url: str) -> None:
    profile = dict(author.profile or {})
    profile["images"] = {**profile.get("images", {}), "avatar": url}  # OK
    author.profile = profile
    session.add(author)
    session.commit()


def last_note_pinned(session: Session, author: Author) -> None:
    note = author.notes[-1]
    note.body["pinned"] = True  # BUG
    session.commit()


def all_pinned(session: Session, author: Author) -> None:
    for note in author.notes:
        note.body["pinned"] = True  # OK
        flag_modified(note, "body")
    session.commit()


def usage_details(session: Session, author: Author, what: str) -> None:
    author.usage["details"][what] = True  # BUG
    session.commit()


def usage_reset(session: Session, author: Author) -> None:
    author.usage.clear()  # OK
    author.usage["details"] = {}  # OK
    session.commit()


def card(author: Author) -> dict:
    shown = author.model_dump()
    shown["profile"]["initials"] = "".join(word[0] for word in author.profile["name"].split())  # OK
    shown["notes"] = [note.title for note in author.notes]  # OK
    return shown


def anonymise(session: Session, author_id: str) -> None:
    author = session.get(Author, author_id)
    for key in ("name", "email"):
        author.profile.pop(key, None)  # BUG
    session.commit()


def anonymise_well(session: Session, author_id: str) -> None:
    author = session.get(Author, author_id)
    changed = False
    for key in ("name", "email"):
        if key in author.profile:
            del author.profile[key]  # OK
            changed = True
    if changed:
        flag_modified(author, "profile")
    session.commit()


def rename_all(session: Session, names: dict[str, str]) -> None:
    for author_id, name in names.items():
        author = session.get(Author, author_id)
        author.rename_well(name).used("rename")
        names[author_id] = name.strip()  # OK
    session.commit()
