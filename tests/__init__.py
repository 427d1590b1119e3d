"""The tests."""

from constructs_lib.node import use_environments_node

use_environments_node()  # before anything imports jsii
