// What this browser keeps: choices for every tab, the conversation for this tab (so a reload continues it).
const CHOICES = "omnilive.page";
const SESSION = "omnilive.session";

function read(storage, name) {
  try {
    return JSON.parse(storage().getItem(name) || "{}") || {};
  } catch {
    return {};
  }
}

function write(storage, name, value) {
  try {
    storage().setItem(name, JSON.stringify(value));
  } catch {
    // Storage is refused (private window): the choice holds until the page is closed.
  }
}

const choices = read(() => localStorage, CHOICES);

export const kept = (name, otherwise = undefined) => choices[name] ?? otherwise;

export function keep(name, value) {
  choices[name] = value;
  write(() => localStorage, CHOICES, choices);
}

export const keptSession = () => read(() => sessionStorage, SESSION);
export const keepSession = (value) => write(() => sessionStorage, SESSION, value);
