"""Accounts, projects and what makes them who they are: the website, the credentials, the secrets at rest."""
