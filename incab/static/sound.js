"use strict";

// Sounds by priority. A browser gives sound only after a touch: the sign-on's.
const sound = (() => {
  let audio = null;
  // Each sound is a row of [hertz, seconds of tone, seconds of rest].
  const rows = {
    high: [[988, .16, .06], [1319, .16, .06], [988, .16, .06], [1319, .16, .06], [988, .16, .06], [1319, .3, 0]],
    medium: [[784, .22, .1], [988, .22, .1], [784, .22, 0]],
    low: [[659, .25, 0]],
    none: [[523, .2, 0]],
    notice: [[330, .35, 0]],
    lost: [[440, .3, .1], [330, .3, .1], [220, .6, 0]],
  };
  const plays = () => audio !== null && audio.state === "running";
  const it = {
    plays,
    onchange: () => {}, // called when the browser takes sound away, or gives it
    async unlock() {
      try {
        if (!audio) {
          audio = new AudioContext();
          audio.onstatechange = () => it.onchange();
        }
        await Promise.race([audio.resume(), new Promise((done) => setTimeout(done, 1000))]);
      } catch { audio = null; }
      return plays();
    },
    // play gives whether it could be heard.
    play(name) {
      if (!plays() || !rows[name]) return false;
      let at = audio.currentTime + .02;
      for (const [hertz, tone, rest] of rows[name]) {
        const source = audio.createOscillator(), loudness = audio.createGain();
        source.type = "square";
        source.frequency.value = hertz;
        loudness.gain.setValueAtTime(0, at);
        loudness.gain.linearRampToValueAtTime(.35, at + .01);
        loudness.gain.setValueAtTime(.35, at + tone - .02);
        loudness.gain.linearRampToValueAtTime(0, at + tone);
        source.connect(loudness).connect(audio.destination);
        source.start(at);
        source.stop(at + tone);
        at += tone + rest;
      }
      return true;
    },
  };
  return it;
})();
