"""Kills trueup at random points next to a live application, and proves from outside that nothing was lost.

`app` is the application, `oracle` the proof; both use plain drivers and share no code with trueup. `tool` is what
gets killed, `planted` breaks it on purpose, `rounds` plays one against the other.
"""
