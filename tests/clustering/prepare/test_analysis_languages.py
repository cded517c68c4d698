"""Languages by script, by stop words, by model; and what a client's tag may decide."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from clustering.prepare.frequencies import SUPPORTED_LANGUAGES
from clustering.prepare.languages import (
    UNKNOWN_LANGUAGE,
    detect_language,
    dominant_script,
    normalised_tag,
)
from clustering.prepare.shipped import shipped_stop_words

SENTENCES = {
    "ar": "قال الرئيس إن الحكومة سوف تعلن عن خطة جديدة في الأسبوع المقبل بعد اجتماع مع الوزراء",
    "bg": "Министърът каза, че правителството ще обяви новия план през следващата седмица",
    "bn": "প্রধানমন্ত্রী বলেছেন যে সরকার আগামী সপ্তাহে একটি নতুন পরিকল্পনা ঘোষণা করবে",
    "ca": "El president va dir que el govern anunciarà un nou pla la setmana que ve",
    "cs": "Prezident řekl, že vláda příští týden oznámí nový plán, který by měl pomoci lidem",
    "da": "Statsministeren sagde, at regeringen vil fremlægge en ny plan i næste uge",
    "de": "Der Präsident sagte, dass die Regierung in der nächsten Woche einen neuen Plan vorlegt",
    "el": "Ο πρόεδρος είπε ότι η κυβέρνηση θα ανακοινώσει νέο σχέδιο την επόμενη εβδομάδα",
    "en": "The president said that the government will announce a new plan next week",
    "es": "El presidente dijo que el gobierno anunciará un nuevo plan la próxima semana",
    "fa": "رئیس جمهور گفت که دولت هفته آینده برنامه جدیدی را اعلام خواهد کرد و این برای مردم است",
    "fi": "Presidentti sanoi, että hallitus julkistaa uuden suunnitelman ensi viikolla",
    "fr": "Le président a déclaré que le gouvernement annoncera un plan la semaine prochaine",
    "he": "הנשיא אמר כי הממשלה תכריז על תוכנית חדשה בשבוע הבא",
    "hi": "राष्ट्रपति ने कहा कि सरकार अगले सप्ताह एक नई योजना की घोषणा करेगी",
    "hu": "Az elnök azt mondta, hogy a kormány a jövő héten új tervet jelent be",
    "id": "Presiden mengatakan bahwa pemerintah akan mengumumkan rencana baru pada pekan depan",
    "it": "Il presidente ha detto che il governo annuncerà un nuovo piano la prossima settimana",
    "ja": "大統領は、政府が来週新しい計画を発表すると述べた",
    "ko": "대통령은 정부가 다음 주에 새로운 계획을 발표할 것이라고 말했다",
    "nl": "De president zei dat de regering volgende week een nieuw plan zal aankondigen",
    "no": "Statsministeren sa at regjeringen vil legge frem en ny plan i neste uke",
    "pl": "Prezydent powiedział, że rząd ogłosi nowy plan w przyszłym tygodniu",
    "pt": "O presidente disse que o governo vai anunciar um novo plano na próxima semana",
    "ro": "Președintele a declarat că guvernul va anunța un nou plan săptămâna viitoare",
    "ru": "Президент заявил, что правительство объявит о новом плане на следующей неделе",
    "sh": "Predsednik je rekao da će vlada sledeće nedelje objaviti novi plan",
    "sv": "Statsministern sade att regeringen ska presentera en ny plan i nästa vecka",
    "ta": "அரசு அடுத்த வாரம் புதிய திட்டத்தை அறிவிக்கும் என்று அதிபர் கூறினார்",
    "th": "ประธานาธิบดีกล่าวว่ารัฐบาลจะประกาศแผนใหม่ในสัปดาห์หน้า",
    "tr": "Cumhurbaşkanı, hükümetin gelecek hafta yeni bir plan açıklayacağını söyledi",
    "uk": "Президент заявив, що уряд оголосить про новий план наступного тижня",
    "ur": "صدر نے کہا کہ حکومت اگلے ہفتے ایک نئے منصوبے کا اعلان کرے گی",
    "vi": "Tổng thống nói rằng chính phủ sẽ công bố một kế hoạch mới vào tuần tới",
    "zh": "总统表示政府将于下周宣布一项新计划",
    "my": "သမ္မတက အစိုးရသည် နောက်အပတ်တွင် အစီအစဉ်သစ် ကြေညာမည်ဟု ပြောသည်",
    "ka": "პრეზიდენტმა განაცხადა, რომ მთავრობა მომავალ კვირას ახალ გეგმას გამოაცხადებს",
}


@pytest.mark.parametrize("lang", sorted(SENTENCES))
def test_one_sentence_is_enough(lang: str) -> None:
    assert detect_language(SENTENCES[lang]) == lang


def test_one_repeated_word_does_not_decide() -> None:
    """Net is a Lithuanian stop word, and every line of an earnings report has it."""
    report = "Oper net {0} vs {0}. Net loss {0} vs profit {0}. Net revs {0} vs {0}. " * 4
    assert detect_language(report.format("1.5 mln")) in {"en", UNKNOWN_LANGUAGE}


def test_serbian_is_one_language_in_two_alphabets() -> None:
    cyrillic = "Председник је рекао да ће влада следеће недеље објавити нови план који је важан"
    assert detect_language(cyrillic) == detect_language(SENTENCES["sh"]) == "sh"


@pytest.mark.parametrize("text", ["", "12:30 / 45", "🌋", "\ud800\x00", "NYSE ADR"])
def test_what_cannot_be_told_is_undetermined(text: str) -> None:
    assert detect_language(text) == UNKNOWN_LANGUAGE


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-US", "en"),
        ("EN_gb", "en"),
        ("zh-Hant-TW", "zh"),
        ("nb", "no"),
        ("sr-Latn", "sh"),
        ("iw", "he"),
        ("deu", "de"),
        ("fil", "tl"),
        (" pt-BR ", "pt"),
        ("ig", "ig"),
        ("", ""),
        ("english", ""),
        ("xx", ""),
        ("e", ""),
        ("en\x00", ""),
        ("e" * 10_000, ""),
    ],
)
def test_tags(tag: str, code: str) -> None:
    assert normalised_tag(tag) == code


@pytest.mark.parametrize(
    ("text", "tag", "lang"),
    [
        ("NYSE ADR", "en-US", "en"),
        (SENTENCES["en"], "fr", "fr"),  # believed: both are in Latin letters
        (SENTENCES["ru"], "en", "ru"),  # contradicted by the script
        (SENTENCES["en"], "ru", "en"),
        (SENTENCES["el"], "sw", "el"),
        (SENTENCES["ja"], "zh", "ja"),
        ("東京都知事選挙", "ja", "ja"),
        (SENTENCES["en"], "ig", "ig"),
        (SENTENCES["en"], "nonsense", "en"),
        ("12:30", "de", "de"),
    ],
)
def test_a_tag_is_believed_unless_the_script_contradicts_it(text: str, tag: str, lang: str) -> None:
    assert detect_language(text, tag) == lang


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Größe", "latin"),
        ("Ελλάδα", "greek"),
        ("漢字かな", "kana"),
        ("汉字", "han"),
        ("12 – 30", ""),
        ("iPhone 发布会在北京举行", "han"),
        ("Ողջույն", "armenian"),
    ],
)
def test_dominant_script(text: str, script: str) -> None:
    assert dominant_script(text) == script


def test_every_supported_language_has_stop_words() -> None:
    words = shipped_stop_words()
    assert set(words) == set(SUPPORTED_LANGUAGES)
    for lang, of_lang in words.items():
        assert 50 <= len(of_lang) <= 120, lang
        assert not any(character.isdigit() for word in of_lang for character in word)
    assert {"the", "of", "and"} <= words["en"]
    assert {"не", "что", "и"} <= words["ru"]


@pytest.mark.parametrize(
    ("lang", "name"),
    [("en", "trump"), ("de", "deutschland"), ("ru", "сша"), ("ru", "россии"), ("zh", "中国"),
     ("ko", "한국"), ("hi", "मोदी"), ("ar", "السعودية"), ("en", "monday")],
)  # fmt: skip
def test_names_are_no_stop_words(lang: str, name: str) -> None:
    assert name not in shipped_stop_words()[lang]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "least"),
    [
        ("multiling2011_7lang", 0.995),
        ("giveme5w_news_cluster", 0.995),
        ("galaxy_wikinews", 0.995),
        ("fnc1_train", 0.995),
        ("ecbplus", 0.995),
        ("bbc_fulltext_unlabelled", 0.995),
        ("pairs_telegram_ru", 0.995),
    ],
)
def test_real_news(data_dir: Path, file: str, least: float) -> None:
    found: Counter[bool] = Counter()
    with gzip.open(data_dir / f"{file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for article in (row["a"], row["b"]) if "a" in row else (row,):
                text = f"{article['title']}\n{article['text']}"
                found[detect_language(text) == row["lang"]] += 1
    assert found[True] >= least * found.total()
