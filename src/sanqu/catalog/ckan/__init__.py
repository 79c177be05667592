"""The CKAN Action API v3: what CKAN's own clients call, answered from the catalogue."""
