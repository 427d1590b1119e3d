"""The tests."""

from constructs_lib.node import prepare_jsii

prepare_jsii()  # before anything imports jsii
