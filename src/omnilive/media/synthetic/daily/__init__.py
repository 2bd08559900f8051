"""The second synthetic world: daily life with things, places, actions, signs, sounds and talk."""
