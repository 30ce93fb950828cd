from flask import Blueprint, g, request, session
from flask_login import current_user, login_required
from portal.forms import PreferencesForm
from portal.models import Offer, Product, User, db
from sqlalchemy.orm.attributes import flag_modified

pages = Blueprint("portal", __name__)


@pages.route("/theme", methods=["POST"])
@login_required
def theme():
    current_user.preferences["theme"] = request.form["theme"]  # BUG
    db.session.commit()
    return "ok"


@pages.route("/language", methods=["POST"])
def language():
    user = User.get_by_id(session["user_id"])
    user.preferences["language"] = request.form["language"]  # BUG
    user.save()
    session["language"] = request.form["language"]  # OK
    g.settings = {"language": session["language"]}
    g.settings["seen"] = True  # OK
    return "ok"


@pages.route("/preferences", methods=["POST"])
def preferences():
    form = PreferencesForm()
    user = User.query.filter_by(email=form.email.data).first_or_404()
    form.data["sent"] = True  # OK
    changed = dict(user.preferences)
    for name in ("theme", "language"):
        if name in request.form:
            changed[name] = request.form[name]  # OK
    user.update(preferences=changed)
    return "ok"


@pages.route("/profile", methods=["POST"])
def profile():
    user = User.get_by_id(session["user_id"])
    details = user.profile
    details["city"] = request.form["city"]  # BUG
    user.profile = {**details}
    db.session.commit()
    user.progress |= {"profile": True}  # OK
    db.session.commit()
    return "ok"


@pages.route("/offer/<int:product_id>", methods=["POST"])
def offer(product_id):
    product = Product.get_by_id(product_id)
    extra = dict(product.extra or {}, **request.get_json())
    extra["offered"] = True  # OK
    made = Offer.create(product_id=product.id, extra=extra)
    made.extra["id"] = made.id  # BUG
    made.save()
    return {"id": made.id}


@pages.route("/stock/<int:product_id>", methods=["POST"])
def stock(product_id):
    product = Product.query.get(product_id)
    try:
        product.stock["count"] -= int(request.form["count"])  # BUG
        product.stock["sold"] = product.stock.get("sold", 0) + 1  # BUG
        db.session.commit()
    except ValueError:
        db.session.rollback()
        raise
    return "ok"


@pages.route("/restock/<int:product_id>", methods=["POST"])
def restock(product_id):
    product = Product.query.get(product_id)
    product.stock["count"] = int(request.form["count"])  # OK
    flag_modified(product, "stock")
    for offer in product.offers:
        offer.extra["stock"] = product.stock["count"]  # BUG
    db.session.commit()
    return "ok"
