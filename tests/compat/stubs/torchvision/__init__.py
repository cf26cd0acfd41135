# SPDX-License-Identifier: Apache-2.0
"""An empty torchvision, for an environment whose torch the real one does not load on.

CompressAI imports `torchvision.transforms` only to list its classes in a registry of data
augmentations; no entropy model, layer or image model uses one. torchvision's wheel on the package
index is built for CUDA and fails on a CPU-only torch ("operator torchvision::nms does not exist").
"""
