"""The generated blocks of the README in Georgian: tables and sentences of docs/refresh.py, phrase by phrase."""

import re

_N = r"([\d.,]+)"  # a number
# Sentences: as docs/refresh.py writes them -> in Georgian, with the same numbers.
_SENTENCES = (
    (
        rf"Beside the `fer` package \(its figures in brackets\), one thread, in one run: a photograph {_N} ms "
        rf"\({_N}\); "
        rf"a cropped face {_N} ms \({_N}\) in the median, {_N} ms \({_N}\) on average; from start to first "
        rf"result {_N} s "
        rf"\({_N}\); installed {_N} MB \({_N}\)\. On PublicTest's {_N} faces, single view, mien reads {_N}% \(95 "
        rf"% interval "
        rf"{_N}% to {_N}%\) as they are labeled, fer {_N}% \(95 % interval {_N}% to {_N}%\)\.",
        r"`fer` პაკეტის გვერდით (მისი მაჩვენებლები ფრჩხილებშია), ერთ ნაკადში, ერთი გაშვებისას: ფოტოსურათი \1 მწმ "
        r"(\2); ამოჭრილი სახე "
        r"\3 მწმ (\4) მედიანურად, \5 მწმ (\6) საშუალოდ; გაშვებიდან პირველ შედეგამდე \7 წმ (\8); დაყენებული \9 მბ "
        r"(\10). PublicTest-ის "
        r"\11 სახიდან, ერთი ხედით, mien მათი ნიშნულის თანახმად კითხულობს \12%-ს (95 % ინტერვალი \13%-დან "
        r"\14%-მდე), fer კი "
        r"\15%-ს (95 % ინტერვალი \16%-დან \17%-მდე).",
    ),
    (
        rf"Ten people looked at each of PublicTest's {_N} faces \(FER\+\): on average {_N} of them name the emotion of "
        rf"its label, and for {_N}% of the faces most, single votes left out, name another\.",
        r"PublicTest-ის \1 სახიდან თითოეული ათმა ადამიანმა ნახა (FER+): საშუალოდ \2 მათგანი ასახელებს იმ ემოციას, "
        r"რომელიც ნიშნულშია, ხოლო სახეების \3%-ისთვის უმრავლესობა, ერთეული ხმების გამოკლებით, სხვას ასახელებს.",
    ),
    (
        rf"Made again, `hybrid.csv` differs in {_N} of its {_N} rows \({_N}, {_N} and {_N}\) and `ensemble.csv` in "
        rf"{_N}: since they were made, the shipped hybrid has been stored in float16 and `champion-5` in {_N} bits\.",
        r"ხელახლა გაკეთებული `hybrid.csv` თავისი \2 სტრიქონიდან \1-ში განსხვავდება (\3, \4 და \5), `ensemble.csv` კი "
        r"\6-ში: მათი გაკეთების შემდეგ მოყოლილი hybrid float16-ში ინახება, `champion-5` კი \7 ბიტში.",
    ),
    (
        r"Accuracies in percent, gap and difference in points\. Training accuracy is measured while training, "
        r"with dropout "
        r"and augmentation on; validation accuracy without, by the finished model, single view, as "
        r"`mien train --list` has it\.",
        "სიზუსტე პროცენტებშია, სხვაობები კი პროცენტულ პუნქტებში. წვრთნის სიზუსტე წვრთნის დროსვე იზომება, ჩართული "
        "dropout-ითა და "
        "აუგმენტაციით; ვალიდაციის სიზუსტე — მათ გარეშე, დასრულებული მოდელით, ერთი ხედით, როგორც `mien train --list` "
        "აჩვენებს.",
    ),
    (
        r"± is half of Wilson's 95 % interval, over images alone; what seeds change stands beside it\.",
        "± უილსონის 95 %-იანი ინტერვალის ნახევარია, მხოლოდ სურათების მიხედვით; seed-ების გავლენა მის გვერდით წერია.",
    ),
    (
        r"\*Copies excluded\* leaves out exact copies of training images: ",
        "სვეტი *ასლების გარეშე* წვრთნის სურათების ზუსტ ასლებს არ ითვლის: ",
    ),
    (rf"{_N} of {_N} validation images", r"\2 სავალიდაციო სურათიდან \1"),
    (
        r"Rows marked \(0\.1\) are version 0\.1's and stand until their training by this version is in\.",
        "(0.1)-ით მონიშნული სტრიქონები 0.1 ვერსიისაა და მანამდე რჩება, სანამ ამ ვერსიით წვრთნა დასრულდება.",
    ),
    (r"Not yet run at full length: ", "სრული ხანგრძლივობით ჯერ არ გაშვებულა: "),
    (rf"so far by {_N} seeds?", r"ჯერჯერობით \1 seed-ით"),
    (rf"not yet run \({_N} of {_N} comparisons\)", r"ჯერ არ გაშვებულა (\2 შედარებიდან \1)"),
    (rf"seeds {_N} to {_N}", r"seed-ებით \1-დან \2-მდე"),
    (rf"\({_N}% to {_N}%\)", r"(\1%-დან \2%-მდე)"),
)  # fmt: skip
# Phrases in cells of tables.
_PHRASES = {
    "default: nano, and the champion where nano is unsure": "ნაგულისხმევი: nano, ხოლო სადაც nano ყოყმანობს — "
    "champion",
    "the full network for every face; float16 weights": "სრული ქსელი ყოველი სახისთვის; წონები float16-ში",
    "the study's hybrid, modern training": "კვლევის hybrid, თანამედროვე წვრთნით",
    "smallest": "ყველაზე პატარა",
    "PublicTest, single view (95 %)": "PublicTest, ერთი ხედით (95 %)",
    "copies excluded": "ასლების გარეშე",
    "PrivateTest, labels hidden": "PrivateTest, დამალული ნიშნულებით",
    "PrivateTest, 288 copies excluded": "PrivateTest, 288 ასლის გარეშე",
    "not scored": "არ შეფასებულა",
    "six views averaged (rotated by -4, 0 and 4 degrees, and mirrors)":
        "ექვსი ხედის საშუალო (-4, 0 და 4 გრადუსით მობრუნებული და მათი სარკისებური ანარეკლი)",
    "image and mirror averaged": "სურათისა და მისი ანარეკლის საშუალო",
    "one view": "ერთი ხედი",
    "the baseline underfits": "baseline სათანადოდ ვერ სწავლობს (underfitting)",
    "depth overfits": "სიღრმე ზეპირად დასწავლას იწვევს (overfitting)",
    "more epochs raise only training accuracy": "მეტი ეპოქა მხოლოდ წვრთნის სიზუსტეს ზრდის",
    "dropout mends overfitting": "dropout overfitting-ს ასწორებს",
    "global pooling mends overfitting": "global pooling overfitting-ს ასწორებს",
    "small rotations do nothing": "მცირე მობრუნება არაფერს ცვლის",
    "batch norm speeds training": "batch norm წვრთნას აჩქარებს",
    "batch norm lessens overfitting": "batch norm overfitting-ს ამცირებს",
    "the hybrid is best": "hybrid საუკეთესოა",
    "one change alone": "მხოლოდ ერთი ცვლილებით",
    "the study's way": "კვლევის წესით",
    "the modern way": "თანამედროვე წესით",
    "dropout by element": "dropout ცალკეულ ელემენტებზე",
    "not yet run": "ჯერ არ გაშვებულა",
    "confirmed": "დადასტურდა",
    "refuted": "უარიყო",
    "undecided": "გადაუწყვეტელია",
    "logged train / val": "ჩანაწერი: წვრთნა / ვალიდაცია",
    "validation (95 %)": "ვალიდაცია (95 %)",
    "15 % of train.csv": "train.csv-ის 15 %",
    "calibration error": "კალიბრაციის ცდომილება",
    "what it is": "რა არის",
    "submission": "გასაგზავნი ფაილი",
    "difference": "განსხვავება",
    "parameters": "პარამეტრები",
    "networks": "ქსელები",
    "network": "ქსელი",
    "a face": "ერთი სახე",
    "trained": "წვრთნა",
    "epochs": "ეპოქები",
    "claim": "მტკიცება",
    "model": "მოდელი",
    "views": "ხედები",
    "seeds": "seed-ები",
    "study": "კვლევის",
    "modern": "თანამედროვე",
    "train": "წვრთნის",
    "file": "ფაილი",
    "gap": "სხვაობა",
    "on": "რაზე",
    "ms": "მწმ",
    "MB": "მბ",
    "kB": "კბ",
}  # fmt: skip


def in_georgian(block: str) -> str:
    """A generated block in Georgian; numbers stay as they are, and so do names in `code`."""
    for pattern, words in _SENTENCES:
        block = re.sub(pattern, words, block)
    for phrase in sorted(_PHRASES, key=len, reverse=True):
        # Not within code, nor within a longer word, a file's name or a link.
        block = re.sub(rf"(?<![\w`./-]){re.escape(phrase)}(?![\w`/-]|\.\w)(?=[^`]*(?:`[^`]*`[^`]*)*$)",
                       _PHRASES[phrase], block)  # fmt: skip
    return block
