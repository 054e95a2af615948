"""What happens between the steps of a training, one callback for each concern.

They run in this order after every step, each seeing what the earlier ones did:
average and health, log, validation, samples, checkpoint, limits; the display comes last.
"""
