"""Breaks trueup next to a live application in every way there is, and proves from outside that nothing was lost.

`scenarios` holds one file a way; `app` is the application, `scripted` one that writes by order, `oracle` the proof:
plain drivers, and no code of trueup's. `tool` is what gets killed, in the `arena`. `bugs` are planted into trueup to
see whether all this would notice.
"""
