"""Keras 3 on the backend that KERAS_BACKEND names, after its image classification tutorial.

Default: `image_dataset_from_directory`, random flips and rotations as layers, `fit`. Tuned, on TensorFlow: the decoded
pictures cached in memory, prefetched, and mixed bfloat16 where it is faster for the network; on torch the same.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from _job import Clock, answer, latency, question
from PIL import Image

NAMES = {"resnet50": "ResNet50", "mobilenet_v3_small": "MobileNetV3Small", "efficientnet_b0": "EfficientNetB0"}
job = question()
tuned, size, batch = job["setting"] == "tuned", job["size"], job["batch"]
if tuned and ("resnet" in job["network"] or job["measure"] != "train"):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")


def pictures(folder, labels):
    found = keras.utils.image_dataset_from_directory(
        folder, labels=labels, image_size=(size, size), batch_size=batch, shuffle=labels is not None
    )
    if tuned:
        import tensorflow as tf

        if labels is not None:
            found = found.cache()
        found = found.prefetch(tf.data.AUTOTUNE)
    return found


def make():
    network = getattr(keras.applications, NAMES[job["network"]])(weights=None, classes=6, input_shape=(size, size, 3))
    layers = [keras.layers.Input((size, size, 3)), keras.layers.RandomFlip("horizontal")]
    return keras.Sequential([*layers, keras.layers.RandomRotation(0.1), keras.layers.Rescaling(1 / 255), network])


class Steps(keras.callbacks.Callback):
    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self.clock.epoch()

    def on_train_batch_end(self, batch_number, logs=None):
        self.clock.step(batch)


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
            return np.asarray(model(pixels, training=False)) if tuned else model.predict(pixels, verbose=0)

        answer(**latency(call))
