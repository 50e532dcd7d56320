export const handler = async (event) => ({ n: event.n * 2 });
