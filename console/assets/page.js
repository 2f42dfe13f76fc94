// The page works without this script. It copies keys, keeps whole keys out of
// addresses, asks whether the visitor is still signed in before a form is sent,
// sends a form once, and shows times in the reader's zone.

const says = document.getElementById("says");
const say = (text) => {
  says.textContent = text;
  says.hidden = false;
};

// Times are in UTC already, and get the reader's zone too.
const zoned = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const local = (iso, utc) => {
  const at = new Date(iso);
  const here = zoned.format(at);
  const [day, time] = utc.split(", ");
  return at.getTimezoneOffset() === 0 ? utc : `${here} (${here.startsWith(`${day}, `) ? time : utc})`;
};
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = local(time.dateTime, time.title);
}
for (const text of document.querySelectorAll("[data-at]")) {
  text.textContent = local(text.dataset.at, text.textContent);
}

// What is to be corrected is read first.
document.querySelector("[data-focus]")?.focus();

// Presets tick boxes without losing what is typed.
const presets = [...document.querySelectorAll("a[data-scopes]")];
for (const preset of presets) {
  preset.addEventListener("click", (event) => {
    event.preventDefault();
    const scopes = preset.dataset.scopes.split(" ");
    for (const box of document.querySelectorAll("input[name=scopes]")) {
      box.checked = scopes.includes(box.value);
    }
    for (const other of presets) {
      other.removeAttribute("aria-current");
    }
    preset.setAttribute("aria-current", "true");
    document.getElementById("f-scopes")?.scrollIntoView({ block: "nearest" });
  });
}

// Whoever writes a number of days has chosen to.
for (const field of document.querySelectorAll("[data-picks]")) {
  field.addEventListener("input", () => {
    document.getElementById(field.dataset.picks).checked = true;
  });
}

// A whole key that is pasted into a search would be in the address: its prefix
// finds it as well.
const token = /\b([a-z][a-z0-9]{1,15}_[0-9A-Za-z]{12})_[0-9A-Za-z]{38}\b/g;
for (const field of document.querySelectorAll("[data-no-token]")) {
  const strip = () => {
    if (field.value.search(token) >= 0) {
      field.value = field.value.replace(token, "$1");
      say("That was a whole key. Only its prefix is searched for: the rest is secret.");
    }
  };
  field.addEventListener("input", strip);
  field.form.addEventListener("submit", strip);
}

// A form is sent once, and only while the visitor is signed in.
let sending = false;
for (const form of document.querySelectorAll("form[data-guard]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending) {
      return;
    }
    sending = true;
    const button = event.submitter;
    try {
      const answer = await fetch(document.body.dataset.session, { cache: "no-store", credentials: "same-origin", redirect: "manual" });
      if (answer.status === 204) {
        if (button?.name) {
          const field = document.createElement("input");
          field.type = "hidden";
          field.name = button.name;
          field.value = button.value;
          form.append(field);
        }
        form.submit();
        return;
      }
      say("You were signed out. Sign in again in another tab, then come back and press the button again. Nothing that you typed is lost.");
    } catch {
      say("The server cannot be reached. Nothing is lost: try again in a moment.");
    }
    sending = false;
  });
}
addEventListener("pageshow", () => {
  sending = false;
});

// The token: copied, and gone when the page is left.
const secret = document.getElementById("token");
let kept = !secret;
for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const told = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      kept = true;
      told.textContent = "Copied. Now put it where it is kept.";
    } catch {
      getSelection().selectAllChildren(source);
      told.textContent = "Your browser does not let this page copy. The key is selected: copy it with Ctrl+C, or ⌘C on a Mac.";
    }
  });
}
if (secret) {
  secret.addEventListener("copy", () => {
    kept = true;
  });
  document.querySelector("[data-testid=saved]").addEventListener("click", () => {
    kept = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!kept) {
      event.preventDefault();
    }
  });
  // Browsers may keep a page in memory for the way back; not with the key in it.
  addEventListener("pagehide", () => {
    secret.textContent = "no longer shown";
    for (const part of document.querySelectorAll("[data-secret]")) {
      part.textContent = "no longer shown";
    }
  });
}
