import copy

from sqlalchemy.orm.attributes import flag_modified

from . import models
from .extensions import db
from .models import Customer, PurchaseOrder


def merge_preferences(customer, incoming):
    for key, value in incoming.items():
        customer.preferences[key] = value  # OK
    flag_modified(customer, "preferences")
    db.session.commit()


def reset_preferences(customer_id):
    customer = Customer.query.get_or_404(customer_id)
    customer.preferences.clear()  # BUG
    db.session.commit()


def forget_language(customer_id):
    customer = db.session.get(Customer, customer_id)
    if "language" in customer.preferences:
        del customer.preferences["language"]  # BUG
        db.session.commit()


def cancel_line(order_id, sku):
    order = PurchaseOrder.query.filter_by(id=order_id).first()
    if order is None:
        return False
    lines = order.lines
    lines.remove(next(line for line in lines if line["sku"] == sku))  # BUG
    order.lines = lines
    db.session.commit()
    return True


def cancel_line_properly(order_id, sku):
    order = PurchaseOrder.query.filter_by(id=order_id).first()
    lines = copy.deepcopy(order.lines)
    for line in lines:
        if line["sku"] == sku:
            line["cancelled"] = True  # OK
    order.lines = lines
    db.session.commit()


def mark_gift(order_id, message):
    order = PurchaseOrder.query.get(order_id)
    order.shipping["gift"] = {"message": message}  # BUG
    order.shipping = dict(order.shipping)
    db.session.add(order)
    db.session.commit()


def mark_fragile(order_id):
    order = PurchaseOrder.query.get(order_id)
    order.shipping = dict(order.shipping)
    order.shipping["fragile"] = True  # OK
    db.session.commit()


def new_order(customer, basket):
    order = PurchaseOrder(customer=customer, state="new", lines=[], shipping={})
    for item in basket:
        order.lines.append({"sku": item.sku, "quantity": item.count})  # OK
    order.shipping["method"] = "standard"  # OK
    db.session.add(order)
    db.session.commit()
    return order


def new_order_then_note(customer, note):
    order = PurchaseOrder(customer=customer, state="new", lines=[], shipping={})
    db.session.add(order)
    db.session.flush()
    order.shipping["note"] = note  # BUG
    db.session.commit()
    return order.id


def archive_all():
    for order in models.PurchaseOrder.query.filter(models.PurchaseOrder.state == "done"):
        order.state = "archived"
        order.shipping["archived"] = True  # BUG
    db.session.commit()


def archive_all_well():
    orders = models.PurchaseOrder.query.filter(models.PurchaseOrder.state == "done").all()
    for order in orders:
        order.shipping["archived"] = True  # OK
        flag_modified(order, "shipping")
    db.session.commit()


def apply_patch(obj, attr, patch):
    current = getattr(obj, attr) or {}
    current.update(patch)  # BUG
    setattr(obj, attr, current)


def patch_shipping(order_id, patch):
    order = PurchaseOrder.query.get(order_id)
    apply_patch(order, "shipping", patch)
    db.session.commit()


def replace_patch(obj, attr, patch):
    setattr(obj, attr, {**(getattr(obj, attr) or {}), **patch})  # OK


def patch_preferences(customer_id, patch):
    customer = Customer.query.get(customer_id)
    replace_patch(customer, "preferences", patch)
    db.session.commit()


def _fill(target, source):
    for key in source:
        target.setdefault(key, source[key])  # OK


def fill_defaults(customer: Customer):
    _fill(customer.preferences, {"newsletter": False, "language": "en"})  # BUG
    db.session.commit()


def fill_defaults_well(customer: Customer):
    _fill(customer.preferences, {"newsletter": False, "language": "en"})  # OK
    flag_modified(customer, "preferences")
    db.session.commit()


def export_customer(customer: Customer):
    data = dict(customer.preferences)
    data["email"] = customer.email  # OK
    data["orders"] = [order.id for order in customer.orders]  # OK
    return data


def bulk_language(ids, language):
    for customer in Customer.query.filter(Customer.id.in_(ids)).all():
        prefs = customer.preferences
        prefs["language"] = language  # OK
        Customer.query.filter_by(id=customer.id).update({"preferences": prefs})
    db.session.commit()
