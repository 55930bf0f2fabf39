"""What is wrong with a skill."""


class SkillError(Exception):
    """A skill can't be served as it is. The words follow the name of the file or folder."""
