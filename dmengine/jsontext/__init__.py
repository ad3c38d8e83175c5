"""JSON as text: checked, indexed and edited in place, so that what no rule touches stays byte for byte."""
