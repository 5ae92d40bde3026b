"""Keras 3 on the backend that KERAS_BACKEND names, after its image classification tutorial.

Default: `image_dataset_from_directory`, random flips and rotations mapped over the dataset and prefetched, as the
tutorial advises for processors, and `fit`. Tuned: the decoded pictures are cached in memory too, and mixed bfloat16
where the processor has it and it is faster for the network.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from _job import Clock, answer, latency, question
from PIL import Image

NAMES = {"resnet50": "ResNet50", "mobilenet_v3_small": "MobileNetV3Small", "efficientnet_b0": "EfficientNetB0"}
job = question()
tuned, size, batch = job["setting"] == "tuned", job["size"], job["batch"]
if tuned and job["low"] and ("resnet" in job["network"] or job["measure"] != "train"):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")


def pictures(folder, labels):
    found = keras.utils.image_dataset_from_directory(
        folder, labels=labels, image_size=(size, size), batch_size=batch, shuffle=labels is not None
    )
    if labels is not None:
        found = found.cache() if tuned else found
        layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]

        def altered(images, targets):
            for layer in layers:
                images = layer(images, training=True)
            return images, targets

        found = found.map(altered, num_parallel_calls=tf.data.AUTOTUNE)
    return found.prefetch(tf.data.AUTOTUNE)


def make():
    network = getattr(keras.applications, NAMES[job["network"]])(weights=None, classes=6, input_shape=(size, size, 3))
    inside = job["network"] != "resnet50"  # the others rescale by themselves
    layers = [keras.layers.Input((size, size, 3)), *([] if inside else [keras.layers.Rescaling(1 / 255)])]
    return keras.Sequential([*layers, network])


class Steps(keras.callbacks.Callback):
    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self.clock.epoch()

    def on_train_batch_end(self, batch_number, logs=None):
        self.clock.step(batch)  # the last may have fewer; counts are multiples


if __name__ == "__main__":
    model = make()
    if job["measure"] == "train":
        clock = Clock(job)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
        model.fit(
            pictures(f"{job['data']}/train", "inferred"), epochs=job["epochs"], verbose=0, callbacks=[Steps(clock)]
        )
        answer(**clock.found())
    elif job["measure"] == "predict":
        begun = time.time()
        count = len(model.predict(pictures(job["pictures"], None), verbose=0))
        answer(images=count, seconds=time.time() - begun, whole=time.time() - job["started"])
    else:
        picture = Image.open(job["picture"]).convert("RGB")

        def call():
            pixels = np.asarray(picture.resize((size, size)), np.float32)[None]
            return model.predict_on_batch(pixels) if tuned else model.predict(pixels, verbose=0)

        answer(**latency(call))
