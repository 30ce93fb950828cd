from flask_wtf import FlaskForm
from wtforms import StringField


class PreferencesForm(FlaskForm):
    email = StringField()
    preferences = StringField()
