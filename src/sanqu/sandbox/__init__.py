"""The sandbox (可用不可见): rooms in which one computes on what one may not see; nothing leaves but results."""
