"""The Argo CD Applications, generated from all other charts."""
