"""Policies written for the user, from connections and jobs, and compared with those that there are."""
