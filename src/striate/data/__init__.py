"""From bytes on a disk to batches of pixels: readers, decoding, audit, split, preparation, augmentation, loading.

Nothing is imported here: processes that only decode must start without torch.
"""
