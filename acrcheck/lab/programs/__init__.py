"""The programs that print what a person pastes: the bytes of their messages, from the answers of the simulators.

A program knows the world and no cause. Its words are those of its own source, which its docstring names.
"""
