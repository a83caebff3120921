// Words counts what a text is made of, in any language: ECMAScript's Intl.Segmenter knows where a word ends in Thai,
// where nobody writes spaces. This file is what the agent does; serve.js is how it talks to Parallax.

import { BadInput, serve } from './serve.js';

const inputSchema = {
  type: 'object',
  properties: {
    text: { type: 'string', description: 'what to count' },
    task: { type: 'string' },
  },
  required: ['text'],
  additionalProperties: false,
};

const outputSchema = {
  type: 'object',
  properties: {
    words: { type: 'integer' },
    characters: { type: 'integer', description: 'as a reader counts them: a flag or an accent is one with its letter' },
    longest: { type: 'string', description: 'the longest word, the first one of that length' },
  },
  required: ['words', 'characters', 'longest'],
  additionalProperties: false,
};

const configSchema = {
  type: 'object',
  properties: { locale: { type: 'string', description: 'language of the texts, such as "th"; default "en"' } },
  additionalProperties: false,
};

serve({
  name: 'words',
  version: '0.1.0',
  description: 'Counts words and characters in any language.',
  skills: [{ name: 'count', description: 'Counts what a text is made of.', inputSchema, outputSchema }],
  configSchema,
  capabilities: { deterministic: true, idempotent: true },

  // open makes a session of a configuration; what it returns is handed to run.
  open(config) {
    refuseUnknown(config, configSchema);
    const locale = config.locale ?? 'en';
    if (typeof locale !== 'string') throw new BadInput('locale: a string is wanted');
    try {
      return { locale, detail: new Intl.Segmenter(locale).resolvedOptions().locale };
    } catch {
      throw new BadInput(`locale: ${JSON.stringify(locale)} is no language tag`);
    }
  },

  // run answers one call.
  async run({ session, input, signal, progress }) {
    refuseUnknown(input, inputSchema);
    const { text } = input;
    if (typeof text !== 'string') throw new BadInput('text: a string is wanted');
    const words = new Intl.Segmenter(session.locale, { granularity: 'word' });
    const characters = new Intl.Segmenter(session.locale, { granularity: 'grapheme' });
    const count = { words: 0, characters: 0, longest: '' };
    let read = 0;
    for (const piece of pieces(text)) {
      for (const { segment, isWordLike } of words.segment(piece)) {
        if (!isWordLike) continue;
        count.words++;
        if (segment.length > count.longest.length) count.longest = segment;
      }
      for (const _ of characters.segment(piece)) count.characters++;
      progress((read += piece.length) / text.length, 'counting');
      await new Promise(setImmediate); // let other calls go on, and a cancelled one end
      signal.throwIfAborted();
    }
    return { output: count, reasoning: `counted by the rules of ${session.locale}` };
  },
});

// pieces cuts a text where there is white space: the time that a Segmenter takes grows faster than its text.
function pieces(text) {
  return text.replaceAll('\r\n', '\n').match(/[^]{1,2000}(?:\s|$)|[^]{1,2000}/g) ?? [];
}

function refuseUnknown(object, schema) {
  for (const name of Object.keys(object)) {
    if (!(name in schema.properties)) {
      throw new BadInput(`${name}: no such field; there is ${Object.keys(schema.properties).join(', ')}`);
    }
  }
}
