// Films: told from photos by their type or name.

const SUFFIXES = /\.(mp4|m4v|mov|mkv|webm|avi|mts|m2ts|ts|mpe?g|wmv|flv|3gp|ogv|vob|mxf|insv)$/i;

/** Whether a file is a film: by its type, or by its name where the browser knows no type. */
export function isFilm(file) {
  return file.type.startsWith("video/") || (!file.type.startsWith("image/") && SUFFIXES.test(file.name ?? ""));
}

/** What is said of a film where only photos are read. */
export const FILM_PROBLEM = {
  title: "A film, not a photo",
  detail: "This page reads photos. On a computer, mien reads films: mien read film.mp4.",
  status: 415,
};
