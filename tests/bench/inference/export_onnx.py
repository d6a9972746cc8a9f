"""ResNet-10 from our safetensors to ONNX, node by node as inference/networks/resnet.cpp computes it; for the benchmark.

The graph keeps convolution and normalisation apart, as an exporter of PyTorch writes it: folding them is the business of
whoever runs it.
"""

import json
import struct

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = {"F32": np.float32, "F16": np.float16}[entry["dtype"]]
        tensors[name] = np.frombuffer(data[begin:end], kind).reshape(entry["shape"]).astype(np.float32)
    return tensors


class Graph:
    def __init__(self, tensors):
        self.tensors, self.nodes, self.used = tensors, [], []

    def add(self, op, inputs, **attributes):
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def value(self, name):
        if name not in [tensor.name for tensor in self.used]:
            self.used.append(numpy_helper.from_array(self.tensors[name], name))
        return name

    def conv_norm(self, x, conv, norm, kernel, stride=1, padding=0, dilation=1):
        x = self.add("Conv", [x, self.value(conv + ".weight")], kernel_shape=[kernel] * 3, strides=[stride] * 3,
                     pads=[padding] * 6, dilations=[dilation] * 3)
        return self.add("BatchNormalization", [x] + [self.value(f"{norm}.{part}") for part in
                                                     ("weight", "bias", "running_mean", "running_var")], epsilon=1e-5)

    def block(self, x, name, stride, dilation):
        shortcut = x
        if f"{name}.downsample.0.weight" in self.tensors:
            shortcut = self.conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", 1, stride)
        y = self.add("Relu", [self.conv_norm(x, f"{name}.conv1", f"{name}.bn1", 3, stride, dilation, dilation)])
        y = self.conv_norm(y, f"{name}.conv2", f"{name}.bn2", 3, 1, dilation, dilation)
        return self.add("Relu", [self.add("Add", [y, shortcut])])


def export(weights, layout, shape, out):
    graph = Graph(read_safetensors(weights))
    dilated = layout == "dilated"
    x = graph.add("Relu", [graph.conv_norm("input", "conv1", "bn1", 7, 2, 3)])
    x = graph.add("MaxPool", [x], kernel_shape=[3] * 3, strides=[2] * 3, pads=[1] * 6)
    x = graph.block(x, "layer1.0", 1, 1)
    x = graph.block(x, "layer2.0", 2, 1)
    x = graph.block(x, "layer3.0", 1 if dilated else 2, 2 if dilated else 1)
    x = graph.block(x, "layer4.0", 1 if dilated else 2, 4 if dilated else 1)
    x = graph.add("Flatten", [graph.add("GlobalAveragePool", [x])])
    graph.nodes.append(helper.make_node("Gemm", [x, graph.value("fc.weight"), graph.value("fc.bias")], ["logits"],
                                        transB=1))
    channels = graph.tensors["conv1.weight"].shape[1]
    made = helper.make_graph(graph.nodes, "resnet10",
                             [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels] + [shape] * 3)],
                             [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])], graph.used)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    checker.check_model(model)
    save(model, out)
