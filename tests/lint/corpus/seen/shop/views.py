from flask import Blueprint, jsonify, request, session
from flask_login import current_user, login_required

from .extensions import db
from .forms import PreferencesForm
from .models import Customer, PurchaseOrder

bp = Blueprint("shop", __name__)


@bp.post("/preferences")
@login_required
def preferences():
    form = PreferencesForm()
    form.data["source"] = "web"  # OK
    customer = Customer.query.get_or_404(current_user.id)
    customer.preferences.update(form.cleaned())  # BUG
    db.session.commit()
    return jsonify(customer.preferences)


@bp.post("/preferences/replace")
def preferences_replace():
    customer = Customer.query.get_or_404(request.json["id"])
    body = request.get_json()
    body["seen"] = True  # OK
    customer.preferences = {**customer.preferences, **body}
    db.session.commit()
    session["preferences"] = customer.preferences  # OK
    session["preferences"]["theme"] = "dark"
    return "", 204


@bp.get("/orders/<int:order_id>")
def show(order_id):
    order = PurchaseOrder.query.get_or_404(order_id)
    payload = {"id": order.id, "shipping": dict(order.shipping or {})}
    payload["shipping"]["url"] = "https://track.example/" + str(order_id)  # OK
    payload["lines"] = [dict(line) for line in order.lines]  # OK
    for line in payload["lines"]:
        line["label"] = line["sku"].upper()  # OK
    return jsonify(payload)


@bp.post("/orders/<int:order_id>/note")
def note(order_id):
    order = db.session.query(PurchaseOrder).filter(PurchaseOrder.id == order_id).one_or_none()
    if order is None:
        return "", 404
    if not order.shipping:
        order.shipping = {}
    order.shipping["note"] = request.json["note"]  # BUG
    db.session.commit()
    return "", 204


@bp.post("/orders/<int:order_id>/hold")
def hold(order_id):
    order = db.session.query(PurchaseOrder).filter(PurchaseOrder.id == order_id).one()
    if order.shipping:
        order.shipping = dict(order.shipping, hold=True)  # OK
    else:
        order.shipping = {"hold": True}  # OK
    db.session.commit()
    return "", 204


@bp.post("/me/theme")
@login_required
def theme():
    customer = db.get_or_404(Customer, current_user.id)
    prefs = customer.preferences or {}
    prefs.setdefault("display", {})["theme"] = request.json["theme"]  # BUG
    customer.preferences = prefs
    db.session.commit()
    return "", 204
