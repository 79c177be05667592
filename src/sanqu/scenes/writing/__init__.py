"""The page language (页面语言) of scenes and the cockpit: Markdown with named queries and the components that show their answers."""
