from datetime import datetime

from boards.models import Board, Member, db
from flask import Blueprint, jsonify, request, session
from sqlalchemy.orm.attributes import flag_modified

pages = Blueprint("boards", __name__)


@pages.route("/member/<name>/pickled", methods=["POST"])
def pickle_it(name):
    bob = Member.query.filter_by(name=name).first()
    bob.pickled["foo"] = 123  # BUG
    db.session.commit()
    bob = Member.query.filter_by(name=name).first()
    bob.pickled = {"bar": 321}
    db.session.commit()
    return jsonify(ok=True)


@pages.route("/board/<int:board_id>", methods=["PATCH"])
def patch_board(board_id):
    board = Board.query.get_or_404(board_id)
    data = request.get_json() or {}
    data["seen"] = datetime.utcnow().isoformat()  # OK
    session["last"] = {"board": board_id}  # OK
    session["last"]["at"] = data["seen"]  # OK
    board.extras = {**(board.extras or {}), **data}
    db.session.commit()
    return jsonify(data)


@pages.route("/board/<int:board_id>/facts", methods=["POST"])
def add_facts(board_id):
    board = db.session.get(Board, board_id)
    current = board.facts or {}
    current.update(request.get_json())  # BUG
    board.facts = current
    db.session.commit()
    return jsonify(current)


@pages.route("/board/<int:board_id>/facts", methods=["PUT"])
def put_facts(board_id):
    board = db.session.get(Board, board_id)
    current = board.facts or {}
    current.update(request.get_json())  # OK
    board.facts = current
    flag_modified(board, "facts")
    db.session.commit()
    return jsonify(current)


@pages.route("/board/<int:board_id>/owner", methods=["POST"])
def thank_owner(board_id):
    board = Board.query.get_or_404(board_id)
    board.owner.tokens.append({"purpose": "thanks"})  # BUG
    for other in board.owner.boards:
        other.attributes["thanked"] = True  # BUG
    db.session.commit()
    return jsonify(ok=True)


@pages.route("/boards/<name>/words", methods=["POST"])
def add_word(name):
    entry = Board.query.filter_by(name=name).first()
    full = entry.attributes or {}
    words = full.get("words", {})
    words[request.form["word"]] = {"date": datetime.now().isoformat()}  # BUG
    full["words"] = words  # BUG
    entry.attributes = full
    db.session.commit()
    return jsonify(words)


@pages.route("/boards/<name>/words", methods=["PUT"])
def put_word(name):
    entry = Board.query.filter_by(name=name).first()
    full = entry.attributes or {}
    words = full.get("words", {})
    words[request.form["word"]] = {"date": datetime.now().isoformat()}  # OK
    full["words"] = words  # OK
    entry.attributes = full
    flag_modified(entry, "attributes")
    db.session.commit()
    return jsonify(words)
