"""The catalogue: what data there is, who may know of it, how to find it, and the doors for machines."""
