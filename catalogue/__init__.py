"""Shared configuration: hosts, parameters, images, and the settings of the installation."""
