"""From a training job to a calibrated model file.

pipeline     the order of things: survey, plan, embed, fit, calibrate, write
survey       which pictures are usable, and what they look like
geometry     how large the network's input is
embedded     the pictures as a method embeds them, kept in memory and on disk
splits       which parts are learnt from and which are held out
held_out     scores of pictures that the model has not seen, and the calibration from them
plan, speed  how many steps the time at hand allows on this machine, and what that will take
loop         the one loop of all networks that train in steps
monitor      what that loop tells those who watch
snapshot     all that a run of it keeps from one step to the next
checkpoint   the file in which a run is kept, so that it can be continued exactly
order        what an interrupted training was a training of
interruption Ctrl-C between two steps
"""
