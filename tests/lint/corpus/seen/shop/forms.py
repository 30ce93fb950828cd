from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField


class PreferencesForm(FlaskForm):
    newsletter = BooleanField()
    language = StringField()

    def cleaned(self):
        cleaned = dict(self.data)
        cleaned.pop("csrf_token", None)  # OK
        return cleaned


class ShippingForm(FlaskForm):
    shipping = StringField()

    def strip(self):
        self.shipping.data = self.shipping.data.strip()  # OK
