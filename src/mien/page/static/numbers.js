// Numbers rounded as Python rounds them.

/** Rounded to the nearest whole number, halves to the even one, as Python does. */
export function round(value) {
  const whole = Math.round(value);
  return Math.abs(value % 1) === 0.5 && whole % 2 ? whole - 1 : whole;
}

/** Seven significant digits: short in a file, and never rounded to nothing. */
export function digits(value) {
  return Number(value.toPrecision(7));
}
