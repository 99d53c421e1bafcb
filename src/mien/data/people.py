"""The people whom file names tell, in the forms of KDEF, JAFFE, BU-3DFE, CK+, CREMA-D and RAVDESS: whether parts share
them.

A model knows the faces that it was trained on. Accuracy on other pictures of the same people, or on the next frame of
the same film, says little of people whom it has not seen.
"""

import os
import re

from mien.data.pictures import PART_NAMES, Pictures

_PERSON = re.compile(
    r"[AB](?P<kdef>[FM]\d{2})(?:AF|AN|DI|HA|NE|SA|SU)(?:S|HL|HR|FL|FR)(?![A-Za-z])"
    r"|(?P<jaffe>[A-Z]{2})[._-](?:AN|DI|FE|HA|NE|SA|SU)\d[._-]\d+(?!\d)"
    r"|(?P<bu3dfe>[FM]\d{4})_(?:AN|DI|FE|HA|NE|SA|SU)\d{2}"
    r"|(?P<ck>S\d{3})_\d{3}_\d{6,8}(?!\d)"
    r"|(?P<crema>\d{4})_[A-Z]{3}_(?:ANG|DIS|FEA|HAP|NEU|SAD)_(?:LO|MD|HI|XX?)(?![A-Za-z])"
    r"|0[12]-0[12]-0[1-8]-0[12]-0[12]-0[12]-(?P<ravdess>0[1-9]|1\d|2[0-4])(?!\d)",
    re.IGNORECASE,
)
_MIN_SHARE = 0.9  # of the pictures, whose names must tell a person


def person_of(name: str) -> str:
    """The person whom a file's name tells, "" where it is in none of the forms. KDEF's two sessions are one person."""
    match = _PERSON.match(os.path.basename(name))
    return next(person for person in match.groups() if person).upper() if match else ""


def tell_people(pictures: Pictures) -> Pictures:
    """The same, with a decision that says how many people stand on both sides of its parts, or of a random split."""
    parts: dict[str, set[str]] = {}
    told = 0
    for sample in pictures.samples:
        person = person_of(sample.file)
        told += bool(person)
        if person:
            parts.setdefault(sample.usage, set()).add(person)
    people = set().union(*parts.values())
    if len(people) < 2 or told < _MIN_SHARE * len(pictures.samples):
        return pictures
    trained = parts.get("Training", set())
    held_out = {usage: parts.get(usage, set()) for usage in PART_NAMES if usage != "Training"}
    if not any(held_out.values()):
        pictures.decisions.append(
            f"the names tell {len(people):,} people, whom a random split has on both sides: to measure on new people, "
            "put each of them into train/ or into test/ alone"
        )
    for usage, those in held_out.items():
        if shared := those & trained:
            pictures.decisions.append(
                f"{len(shared):,} of the {len(those):,} people in {PART_NAMES[usage]}, by the names of their pictures, "
                "stand in train, too: accuracy on new people may be lower"
            )
    return pictures
