/**
 * What an emoji says in words: the 162 whose short name (Unicode CLDR) holds a word with a score, named as in VADER's
 * `emoji_utf8_lexicon.txt`. The others say nothing, so they need no line here.
 */
export const emojiNames: ReadonlyMap<string, string> = new Map(
  `
⏯ play or pause button
⏰ alarm clock
⏹ stop button
▶ play button
☮ peace symbol
☹ frowning face
☺ smiling face
♋ Cancer
♥ heart suit
♦ diamond suit
⚠ warning
⚱ funeral urn
⛑ rescue worker’s helmet
⛔ no entry
✋ raised hand
✌ victory hand
✍ writing hand
✨ sparkles
❇ sparkle
❣ heavy heart exclamation
❤ red heart
🃏 joker
🆒 COOL button
🆓 FREE button
🆗 OK button
🈶 Japanese “not free of charge” button
🍂 fallen leaf
🍠 roasted sweet potato
🎁 wrapped gift
🎉 party popper
🎖 military medal
🎩 top hat
🎲 game die
🎴 flower playing cards
🏅 sports medal
🏩 love hotel
👋 waving hand
👌 OK hand
👻 ghost
👿 angry face with horns
💁 person tipping hand
💋 kiss mark
💌 love letter
💏 kiss
💑 couple with heart
💓 beating heart
💔 broken heart
💕 two hearts
💖 sparkling heart
💗 growing heart
💘 heart with arrow
💙 blue heart
💚 green heart
💛 yellow heart
💜 purple heart
💝 heart with ribbon
💞 revolving hearts
💟 heart decoration
💠 diamond with a dot
💢 anger symbol
💣 bomb
💤 zzz
💥 collision
💫 dizzy
💳 credit card
📏 straight ruler
📪 closed mailbox with lowered flag
📭 open mailbox with lowered flag
📵 no mobile phones
🔆 bright button
🔈 speaker low volume
🔕 bell with slash
🔝 TOP arrow
🔞 no one under eighteen
🔡 input latin lowercase
🔥 fire
🔶 large orange diamond
🔷 large blue diamond
🔸 small orange diamond
🔹 small blue diamond
🕹 joystick
🖐 hand with fingers splayed
🖤 black heart
🗯 right anger bubble
🗽 Statue of Liberty
😀 grinning face
😁 beaming face with smiling eyes
😂 face with tears of joy
😃 grinning face with big eyes
😄 grinning face with smiling eyes
😅 grinning face with sweat
😆 grinning squinting face
😇 smiling face with halo
😈 smiling face with horns
😊 smiling face with smiling eyes
😌 relieved face
😍 smiling face with heart-eyes
😎 smiling face with sunglasses
😓 downcast face with sweat
😔 pensive face
😕 confused face
😗 kissing face
😘 face blowing a kiss
😙 kissing face with smiling eyes
😚 kissing face with closed eyes
😞 disappointed face
😟 worried face
😠 angry face
😢 crying face
😥 sad but relieved face
😦 frowning face with open mouth
😧 anguished face
😨 fearful face
😩 weary face
😫 tired face
😬 grimacing face
😭 loudly crying face
😰 anxious face with sweat
😱 face screaming in fear
😲 astonished face
😵 dizzy face
😸 grinning cat face with smiling eyes
😹 cat face with tears of joy
😺 grinning cat face
😻 smiling cat face with heart-eyes
😼 cat face with wry smile
😽 kissing cat face
😿 crying cat face
🙀 weary cat face
🙁 slightly frowning face
🙂 slightly smiling face
🙅 person gesturing NO
🙆 person gesturing OK
🙋 person raising hand
🙍 person frowning
🚏 bus stop
🚒 fire engine
🚭 no smoking
🚯 no littering
🚳 no bicycles
🚷 no pedestrians
🛐 place of worship
🛑 stop sign
🤓 nerd face
🤗 hugging face
🤙 call me hand
🤚 raised back of hand
🤣 rolling on the floor laughing
🤥 lying face
🤭 face with hand over mouth
🤽 person playing water polo
🤾 person playing handball
🥇 1st place medal
🥈 2nd place medal
🥉 3rd place medal
🥟 dumpling
🥩 cut of meat
🥰 smiling face with 3 hearts
🥳 partying face
🧡 orange heart
🧯 fire extinguisher
🧷 safety pin
`
    .trim()
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
)
