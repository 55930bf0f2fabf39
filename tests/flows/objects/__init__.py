"""Objects of other people's packages, as their authors would write them: what the journeys serve."""
